"""Small solvers: quadratic programmes with bounds, the simplex, leading eigenvectors."""
