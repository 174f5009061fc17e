"""From a specification and a data frame to arrays: model matrices, groups, coordinates, and what new data need."""
