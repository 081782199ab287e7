"""People and their accounts: signing in, links that were mailed, teams, what is kept of them."""
