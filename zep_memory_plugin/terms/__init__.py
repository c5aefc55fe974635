"""The words of a text, and the terms that stand for them in an index and in a query.

Here: cutting, folding and stemming, the same for every database. Not here: what terms weigh (`core.search.ranking`).
"""
