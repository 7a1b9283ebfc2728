CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE cards (
  hash VARCHAR(32) NOT NULL,
  content TEXT NOT NULL,
  CONSTRAINT pk_cards PRIMARY KEY (hash)
);
CREATE TABLE consents (
  id INTEGER NOT NULL,
  subscriber VARCHAR(32) NOT NULL,
  event VARCHAR(20) NOT NULL,
  at DATETIME NOT NULL,
  proof JSON NOT NULL,
  CONSTRAINT pk_consents PRIMARY KEY (id)
);
CREATE INDEX ix_consents_subscriber ON consents (subscriber);
CREATE TABLE editions (
  id INTEGER NOT NULL,
  date DATE NOT NULL,
  opened DATETIME NOT NULL,
  topics JSON NOT NULL,
  CONSTRAINT pk_editions PRIMARY KEY (id),
  CONSTRAINT uq_editions_date UNIQUE (date)
);
CREATE TABLE papers (
  id INTEGER NOT NULL,
  title TEXT NOT NULL,
  abstract TEXT NOT NULL,
  authors JSON NOT NULL,
  categories JSON NOT NULL,
  links JSON NOT NULL,
  announced DATETIME NOT NULL,
  first_seen DATETIME NOT NULL,
  signalled DATETIME,
  since DATETIME,
  CONSTRAINT pk_papers PRIMARY KEY (id)
);
CREATE INDEX ix_papers_since ON papers (since);
CREATE TABLE sign_ups (
  id INTEGER NOT NULL,
  public_id VARCHAR(32) NOT NULL,
  address VARCHAR(320) NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  network VARCHAR(64) NOT NULL,
  wishes JSON NOT NULL,
  proof JSON NOT NULL,
  state VARCHAR(12) NOT NULL,
  at DATETIME NOT NULL,
  mailed DATETIME,
  confirmed DATETIME,
  CONSTRAINT pk_sign_ups PRIMARY KEY (id),
  CONSTRAINT uq_sign_ups_public_id UNIQUE (public_id)
);
CREATE INDEX ix_sign_ups_network_mailed ON sign_ups (network, mailed);
CREATE INDEX ix_sign_ups_state ON sign_ups (state);
CREATE INDEX ix_sign_ups_fingerprint_mailed ON sign_ups (fingerprint, mailed);
CREATE TABLE sources (
  name VARCHAR(100) NOT NULL,
  etag TEXT,
  modified TEXT,
  fingerprint TEXT,
  newest TEXT,
  asked DATETIME NOT NULL,
  answered DATETIME,
  brought DATETIME,
  error TEXT,
  CONSTRAINT pk_sources PRIMARY KEY (name)
);
CREATE TABLE stationery (
  hash VARCHAR(32) NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  content TEXT NOT NULL,
  CONSTRAINT pk_stationery PRIMARY KEY (hash)
);
CREATE INDEX ix_stationery_fingerprint ON stationery (fingerprint);
CREATE TABLE subscribers (
  id INTEGER NOT NULL,
  public_id VARCHAR(32) NOT NULL,
  address VARCHAR(320),
  standing VARCHAR(10) NOT NULL,
  cadence VARCHAR(10) NOT NULL,
  days JSON NOT NULL,
  hour INTEGER NOT NULL,
  zone VARCHAR(64) NOT NULL,
  count INTEGER NOT NULL,
  minimum INTEGER NOT NULL,
  since DATETIME,
  paused_until DATE,
  next_turn VARCHAR(10),
  next_due DATETIME,
  CONSTRAINT pk_subscribers PRIMARY KEY (id),
  CONSTRAINT uq_subscribers_public_id UNIQUE (public_id)
);
CREATE INDEX ix_subscribers_due ON subscribers (next_due) WHERE standing = 'active';
CREATE UNIQUE INDEX ix_subscribers_address ON subscribers (lower(address));
CREATE TABLE suppressions (
  fingerprint VARCHAR(64) NOT NULL,
  reason TEXT NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_suppressions PRIMARY KEY (fingerprint)
);
CREATE TABLE switches (
  name VARCHAR(20) NOT NULL,
  why TEXT NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_switches PRIMARY KEY (name)
);
CREATE TABLE topics (
  id INTEGER NOT NULL,
  slug VARCHAR(100) NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  keywords JSON NOT NULL,
  categories JSON NOT NULL,
  exclusions JSON NOT NULL,
  position INTEGER,
  CONSTRAINT pk_topics PRIMARY KEY (id),
  CONSTRAINT uq_topics_slug UNIQUE (slug)
);
CREATE TABLE candidates (
  edition_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  paper_id INTEGER NOT NULL,
  card VARCHAR(32) NOT NULL,
  since DATETIME NOT NULL,
  trend FLOAT NOT NULL,
  trend_line TEXT NOT NULL,
  CONSTRAINT pk_candidates PRIMARY KEY (edition_id, ordinal),
  CONSTRAINT fk_candidates_edition_id FOREIGN KEY(edition_id) REFERENCES editions (id),
  CONSTRAINT fk_candidates_paper_id FOREIGN KEY(paper_id) REFERENCES papers (id),
  CONSTRAINT fk_candidates_card FOREIGN KEY(card) REFERENCES cards (hash)
);
CREATE TABLE digests (
  id INTEGER NOT NULL,
  subscriber_id INTEGER NOT NULL,
  turn VARCHAR(10) NOT NULL,
  edition_id INTEGER,
  picks BLOB NOT NULL,
  template VARCHAR(32),
  message_id VARCHAR(200),
  date DATETIME NOT NULL,
  deadline DATETIME NOT NULL,
  since DATE,
  state VARCHAR(10) NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  not_before DATETIME,
  attempts INTEGER DEFAULT '0' NOT NULL,
  worker VARCHAR(64),
  sha256 VARCHAR(64),
  resent BOOLEAN DEFAULT (false) NOT NULL,
  ended DATETIME,
  CONSTRAINT pk_digests PRIMARY KEY (id),
  CONSTRAINT uq_digests_subscriber_id_turn UNIQUE (subscriber_id, turn),
  CONSTRAINT fk_digests_subscriber_id FOREIGN KEY(subscriber_id) REFERENCES subscribers (id),
  CONSTRAINT fk_digests_edition_id FOREIGN KEY(edition_id) REFERENCES editions (id),
  CONSTRAINT fk_digests_template FOREIGN KEY(template) REFERENCES stationery (hash)
);
CREATE INDEX ix_digests_edition_id ON digests (edition_id);
CREATE INDEX ix_digests_open ON digests (state, not_before) WHERE state IN ('pending', 'sending', 'uncertain');
CREATE TABLE interests (
  subscriber_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  kind VARCHAR(10) NOT NULL,
  topic_id INTEGER,
  text TEXT,
  weight FLOAT NOT NULL,
  CONSTRAINT pk_interests PRIMARY KEY (subscriber_id, position),
  CONSTRAINT fk_interests_subscriber_id FOREIGN KEY(subscriber_id) REFERENCES subscribers (id) ON DELETE CASCADE,
  CONSTRAINT fk_interests_topic_id FOREIGN KEY(topic_id) REFERENCES topics (id)
);
CREATE TABLE listings (
  source VARCHAR(100) NOT NULL,
  "key" VARCHAR(1000) NOT NULL,
  paper_id INTEGER NOT NULL,
  announced DATETIME,
  announce_type VARCHAR(20),
  first_seen DATETIME NOT NULL,
  CONSTRAINT pk_listings PRIMARY KEY (source, "key"),
  CONSTRAINT fk_listings_paper_id FOREIGN KEY(paper_id) REFERENCES papers (id)
);
CREATE INDEX ix_listings_paper_id ON listings (paper_id);
CREATE TABLE paper_ids (
  scheme VARCHAR(16) NOT NULL,
  value VARCHAR(1000) NOT NULL,
  paper_id INTEGER NOT NULL,
  CONSTRAINT pk_paper_ids PRIMARY KEY (scheme, value),
  CONSTRAINT fk_paper_ids_paper_id FOREIGN KEY(paper_id) REFERENCES papers (id)
);
CREATE INDEX ix_paper_ids_paper_id ON paper_ids (paper_id);
CREATE TABLE signals (
  id INTEGER NOT NULL,
  paper_id INTEGER NOT NULL,
  source VARCHAR(100) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  value FLOAT NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_signals PRIMARY KEY (id),
  CONSTRAINT fk_signals_paper_id FOREIGN KEY(paper_id) REFERENCES papers (id)
);
CREATE INDEX ix_signals_paper_id_at ON signals (paper_id, at);
CREATE TABLE bounce_scores (
  fingerprint VARCHAR(64) NOT NULL,
  points INTEGER NOT NULL,
  last DATETIME NOT NULL,
  CONSTRAINT pk_bounce_scores PRIMARY KEY (fingerprint)
);
CREATE TABLE feedback (
  "key" VARCHAR(40) NOT NULL,
  what VARCHAR(12) NOT NULL,
  domain VARCHAR(255) NOT NULL,
  at DATETIME NOT NULL,
  CONSTRAINT pk_feedback PRIMARY KEY ("key")
);
INSERT INTO alembic_version VALUES ('0002');
