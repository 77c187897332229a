"""The simulated world: clock, radio, couriers, faults, the watcher; runs the real node."""
