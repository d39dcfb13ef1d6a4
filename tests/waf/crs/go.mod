module headgate.dev/crs

go 1.25.0

require github.com/corazawaf/coraza-coreruleset/v4 v4.25.0
