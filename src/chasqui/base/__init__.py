"""The ground floor: ids, limits, labels, errors, the codec and the ports for time and entropy."""
