"""Operations of several units of work and of the application's own functions: its summarizer and its embedder.

Here: what happens in which order, and what a failure of the application's functions means. Not here: what one unit
does (`core`) and how it is run (`running`). The application's functions are asked between units, outside any
transaction, and what they raise never costs a message.
"""
