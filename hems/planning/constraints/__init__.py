"""One file per device family: what powers physically lead to, what is hard, which wishes they bend."""
