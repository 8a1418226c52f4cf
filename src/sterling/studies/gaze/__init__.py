"""Studies of gaze."""
