"""One suite of cases for every handler map."""
