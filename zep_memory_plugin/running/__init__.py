"""Where and when a unit of work runs: engines, threads, event loops, processes, and attempts.

Here: which connection a unit gets, in which thread or loop, and whether it is sent again. Not here: what it does
(`core`), and what a connection to one kind of database needs (`databases`).
"""
