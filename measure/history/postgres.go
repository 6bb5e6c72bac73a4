package history

import (
	"cmp"
	"context"
	"database/sql"
	"net"
	"strconv"
	"time"

	"github.com/lib/pq"
)

// ConnectPostgres opens the PostgreSQL database at the URL. A server that leaves a
// statement without an answer for as long as patience counts as lost: the driver tells it
// that a context has ended, but then waits for its answer. The server ends a transaction
// whose process says nothing for half as long, stopped perhaps: others wait for its locks.
func ConnectPostgres(address string, patience time.Duration) (*sql.DB, error) {
	config, err := pq.NewConfig(address)
	if err != nil {
		return nil, err
	}
	// As PostgreSQL's own programs do: with TLS if the server has it.
	config.SSLMode = cmp.Or(config.SSLMode, pq.SSLModePrefer)
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	config.Runtime["idle_in_transaction_session_timeout"] = strconv.FormatInt((patience / 2).Milliseconds(), 10)
	c, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, err
	}
	c.Dialer(dialer{patience})
	return sql.OpenDB(c), nil
}

// dialer makes connections on which no read waits longer than patience.
type dialer struct{ patience time.Duration }

// DialContext makes a connection. The driver calls this method alone, but asks for the
// other two as well.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return patient{c, d.patience}, nil
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	defer stop()
	return d.DialContext(ctx, network, address)
}

type patient struct {
	net.Conn
	patience time.Duration
}

func (c patient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}
