"""Search: the turns of conversations that answer a question.

The database finds messages, by session or through an index of their terms; what decides the order is `ranking`, so
every database ranks alike. A new database is a module here and a word in `indexes`.
"""
