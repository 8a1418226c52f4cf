"""Face recognition on a domain never seen."""
