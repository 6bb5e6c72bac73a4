package report
import ("testing";"os")
func TestZZDump(t *testing.T){ os.WriteFile("/tmp/docs-report.html", []byte(written(t)), 0o644) }
