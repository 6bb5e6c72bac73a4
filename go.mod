module github.com/entrylab/entrylab

go 1.26
