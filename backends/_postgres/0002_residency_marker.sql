-- Where this schema's data rests: one row, bound to the server that it was written on.
CREATE TABLE residency_marker (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    marker text NOT NULL
);
