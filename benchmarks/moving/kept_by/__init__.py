"""One module for each library that keeps conversations: `fill` stores them, `read` returns what it reads back."""
