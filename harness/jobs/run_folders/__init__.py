"""Run folders: what there is, and removing one."""
