"""Where a system goes: trajectories, gradient descent as a map, drifting parameters, portraits, basins."""
