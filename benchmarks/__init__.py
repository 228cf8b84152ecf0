"""`make bench`: how fast the engine is beside a bare loop on the same machine, in the same minute."""
