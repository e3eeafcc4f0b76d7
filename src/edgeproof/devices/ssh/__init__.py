"""``ssh:[user@]host[:port]``: a Linux board, reached by the user's own OpenSSH."""
