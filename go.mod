module github.com/entrylab/entrylab

go 1.26

require github.com/u-root/u-root v0.16.0

require (
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/google/go-cmp v0.7.0
	github.com/pierrec/lz4/v4 v4.1.22 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1
	github.com/u-root/uio v0.0.0-20240224005618-d2acac8f3701 // indirect
	golang.org/x/sys v0.41.0 // indirect
)
