package history

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrate makes the tables that the files in the folder migrations describe, or brings
// those of an older entrylab up to date; versions is the table that holds their version.
// It refuses tables of a newer entrylab. Several processes may do it at once.
func Migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, versions string, files fs.FS) error {
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, folder, goose.WithTableName(versions))
	if err != nil {
		return err
	}
	for {
		have, want, err := p.GetVersions(ctx)
		switch {
		case err != nil:
			return err
		case have > want:
			return fmt.Errorf("its tables are of version %d, and this entrylab knows up to %d: use the newer entrylab", have, want)
		case have == want:
			return nil
		}
		_, failed := p.Up(ctx)
		if failed == nil {
			return nil
		}
		// It fails, too, if another process made the same step meanwhile; then the version
		// has changed.
		if now, _, err := p.GetVersions(ctx); err != nil || now == have {
			return failed
		}
	}
}
