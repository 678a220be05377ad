"""Planning without a solver: what a problem means, rules that always answer, and the check of every plan."""
