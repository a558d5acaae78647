"""Reading a log that may be growing: in order of time, filtered, as OCSF events, or only its heads."""
