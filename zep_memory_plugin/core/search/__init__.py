"""Search: which turns of conversations answer a query, in which order, and what a filter lets through.

Here: requests and their checks, ranking by words and by meaning, filters, dates, results with their neighbours. Not
here: the index through which a database finds messages (`databases`), the terms that it is made of (`terms`).
"""
