-- A schema and a role for each owner of tables. To be run once, in this database, by an administrator.
REVOKE ALL ON DATABASE "comity" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'comity_identity') THEN CREATE ROLE comity_identity LOGIN NOINHERIT; END IF; END $$;
ALTER ROLE comity_identity PASSWORD 'comity';
GRANT CONNECT ON DATABASE "comity" TO comity_identity;
CREATE SCHEMA IF NOT EXISTS identity;
ALTER SCHEMA identity OWNER TO comity_identity;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'identity'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, 'comity_identity'); END LOOP; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'comity_projects') THEN CREATE ROLE comity_projects LOGIN NOINHERIT; END IF; END $$;
ALTER ROLE comity_projects PASSWORD 'comity';
GRANT CONNECT ON DATABASE "comity" TO comity_projects;
CREATE SCHEMA IF NOT EXISTS projects;
ALTER SCHEMA projects OWNER TO comity_projects;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'projects'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, 'comity_projects'); END LOOP; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'comity_members') THEN CREATE ROLE comity_members LOGIN NOINHERIT; END IF; END $$;
ALTER ROLE comity_members PASSWORD 'comity';
GRANT CONNECT ON DATABASE "comity" TO comity_members;
CREATE SCHEMA IF NOT EXISTS members;
ALTER SCHEMA members OWNER TO comity_members;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'members'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, 'comity_members'); END LOOP; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'comity_matches') THEN CREATE ROLE comity_matches LOGIN NOINHERIT; END IF; END $$;
ALTER ROLE comity_matches PASSWORD 'comity';
GRANT CONNECT ON DATABASE "comity" TO comity_matches;
CREATE SCHEMA IF NOT EXISTS matches;
ALTER SCHEMA matches OWNER TO comity_matches;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'matches'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, 'comity_matches'); END LOOP; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'comity_notifications') THEN CREATE ROLE comity_notifications LOGIN NOINHERIT; END IF; END $$;
ALTER ROLE comity_notifications PASSWORD 'comity';
GRANT CONNECT ON DATABASE "comity" TO comity_notifications;
CREATE SCHEMA IF NOT EXISTS notifications;
ALTER SCHEMA notifications OWNER TO comity_notifications;
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'notifications'::regnamespace AND relkind = 'r'
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, 'comity_notifications'); END LOOP; END $$;
