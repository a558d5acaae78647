-- What writes with a call id of their own returned, so that a rerun of the call does not write again. Tenants are kept
-- apart as their records are.
CREATE TABLE effects (
    tenant text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL,
    entity text COLLATE "C" NOT NULL,
    verb text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    result text, -- the record that an update returned
    PRIMARY KEY (tenant, call_id, entity, verb, id)
);

CREATE INDEX effects_of_record ON effects (tenant, entity, id);
CREATE INDEX effects_by_age ON effects (tenant, at);

ALTER TABLE effects ENABLE ROW LEVEL SECURITY;
ALTER TABLE effects FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON effects
    USING (tenant = (SELECT coalesce(current_setting('storescope.tenant', true), '')))
    WITH CHECK (tenant = (SELECT coalesce(current_setting('storescope.tenant', true), '')));
