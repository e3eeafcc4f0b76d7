"""Power meters: one file a meter, found through entry points; a recorder; traces and the tables of other programs.

What stands here runs with numpy and msgspec alone; what a meter needs more is imported when it is opened.
"""
