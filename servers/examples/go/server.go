// Six services, a goroutine for each client, the standard library alone: go build -o server . && ./server SERVICE PORT.
// The contract is servers/PROTOCOL.md; `bakeoff conform './server {service} {port}' -s SERVICE` holds it to that.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"math/bits"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	largest = 4 << 20
	a       = 6364136223846793005
	c       = 1442695040888963407
)

// 65,521 bytes of SplitMix64 from a seed of the contract.
var block = func() []byte {
	var bytes []byte
	state := uint64(0x62616b656f666621)
	for len(bytes) < 65521 {
		state += 0x9e3779b97f4a7c15
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		bytes = binary.LittleEndian.AppendUint64(bytes, z^z>>31)
	}
	return bytes[:65521]
}()

func echo(client net.Conn) { io.Copy(client, client) }

func line(client net.Conn) {
	lines := bufio.NewReaderSize(client, 64<<10)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil || string(text) == "exit\n" || string(text) == "exit\r\n" {
			return
		}
		if _, err := client.Write(text); err != nil {
			return
		}
	}
}

// The services that do work: a header of 16 bytes, a payload, and what work makes of both.
func framed(work func(payload []byte, demand time.Duration) []byte) func(net.Conn) {
	return func(client net.Conn) {
		requests, header := bufio.NewReaderSize(client, 64<<10), make([]byte, 16)
		for {
			if _, err := io.ReadFull(requests, header); err != nil {
				return
			}
			length := binary.LittleEndian.Uint32(header)
			demand := time.Duration(binary.LittleEndian.Uint64(header[8:]))
			if length > largest || !bytes.Equal(header[4:8], []byte{0, 0, 0, 0}) || demand < 0 || demand > time.Minute {
				return
			}
			if demand == 0 {
				demand = time.Millisecond
			}
			payload := make([]byte, length)
			if _, err := io.ReadFull(requests, payload); err != nil {
				return
			}
			result := work(payload, demand)
			reply := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(result)), uint32(len(result)))
			if _, err := client.Write(append(reply, result...)); err != nil {
				return
			}
		}
	}
}

// A goroutine that sleeps occupies nobody; Go has no other way to wait, so `block` is the same here.
func wait(payload []byte, demand time.Duration) []byte {
	time.Sleep(demand)
	return payload
}

// Every step of the chain needs the one before.
func hash(payload []byte, demand time.Duration) []byte {
	x := uint64(len(payload))
	for ; len(payload) >= 8; payload = payload[8:] {
		x = (bits.RotateLeft64(x, 29) ^ binary.LittleEndian.Uint64(payload)) * a
	}
	last := make([]byte, 8)
	copy(last, payload)
	x = (bits.RotateLeft64(x, 29) ^ binary.LittleEndian.Uint64(last)) * a
	for steps := uint64(demand) * 4 / 5; steps > 0; steps-- {
		x = x*a + c
	}
	return binary.LittleEndian.AppendUint64(nil, x)
}

func page(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/bytes/"))
	id, _ := strconv.Atoi(r.URL.Query().Get("id"))
	if err != nil || size < 0 || size > largest || id < 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.Header().Set("Content-Type", "application/octet-stream")
	for start := id % len(block); size > 0; start = 0 {
		piece := block[start:min(start+size, len(block))]
		w.Write(piece)
		size -= len(piece)
	}
}

func main() {
	services := map[string]func(net.Conn){
		"echo": echo, "line": line, "wait": framed(wait), "block": framed(wait), "hash": framed(hash),
	}
	if len(os.Args) != 3 || services[os.Args[1]] == nil && os.Args[1] != "http" {
		fmt.Fprintln(os.Stderr, "./server echo|line|http|wait|block|hash PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "http" {
		log.Fatal(http.Serve(listener, http.HandlerFunc(page)))
	}
	serve := services[os.Args[1]]
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			serve(client)
		}()
	}
}
