"""Picture files: where they are, how one is opened safely, and many of them as pixels of one size.

`find` makes a `Picture` of a path, of bytes, or of what a Hub data set holds; `opened` decodes bytes to 8-bit colour;
`fit` resizes and cuts a picture as a checkpoint wants it; `pixels` keeps many of them in a memory-mapped array.
"""
