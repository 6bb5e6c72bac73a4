// Command makeguest writes guest.gz, the guest that is embedded in package
// initramfs; `go generate ./boot/initramfs` runs it in that folder.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/internal/wholefile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	packed, err := initramfs.BuildGuest(ctx, ".")
	if err == nil {
		err = wholefile.Write("guest", "guest.gz", packed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "makeguest:", err)
		os.Exit(1)
	}
}
