// Package columnar encodes the objects of a State by column: one table per kind, one column per
// field. Message Objects in wire.proto specifies the form. Equal neighbors cost nothing, and
// values that grow steadily or are random compress apart from the others. Compressed by the same
// zstd, encoding/gob takes 1.4 to 1.9 times as many bytes; TestSnapshotIsSmallerThanGob compares.
//
// One function per kind converts between fields and columns in both directions, so that these
// cannot differ. hack/fields generates them, and the tables in columns.proto, from the struct tags
// in package state. The golden files have the bytes of each field, which agents and masters
// of other versions read.
//
// A Decoder reads input of a peer that may be hostile: it checks every count before it allocates,
// and EstimateMemory returns an upper bound before anything is decoded.
package columnar
