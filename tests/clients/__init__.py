"""The unmodified clients of Zep's own server, as judges of ours."""
