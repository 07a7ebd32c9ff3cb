"""What fits into memory: a plan before a run's first step, and smaller micro-batches when it runs short later.

It knows the core's forward and records; of the core, only the learner and the start of a run know it.
"""
