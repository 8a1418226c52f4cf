"""Training that abandons the results of slow machines."""
