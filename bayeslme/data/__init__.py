"""From a specification and a data frame to arrays, and what new data need for prediction."""
