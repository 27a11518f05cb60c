"""Graded exercises: a file with blanks, checked with autograd row by row, and hints."""
