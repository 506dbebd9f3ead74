"""Data that is read in parts: large arrays, memory maps and sparse matrices."""
