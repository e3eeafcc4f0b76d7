"""Work that uses every core and the memory there is: which task comes next, and how long the rest will take."""
