"""Few-shot presentation attack detection: attack types as tasks, and methods that adapt."""
