"""Readers of public presentation attack data sets, one file per set; `registry` lists them."""
