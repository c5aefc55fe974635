"""Stores that other libraries fill themselves, imported: is it all there, in which time, with how much memory?"""
