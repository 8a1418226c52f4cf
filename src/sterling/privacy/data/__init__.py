"""Records, author facts and forget sets that the audits run on."""
