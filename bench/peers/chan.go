// What bench/concurrency.lua compares channels with: prints the CPU time of one
// round trip over two channels, or of one message through one, in ns.
// usage: chan_go pingpong | chan_go stream capacity
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

const (
	rounds   = 2000000
	messages = 10000000
)

// The CPU time of the process, in ns.
func clock() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func pingpong() float64 {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for i := 0; i < rounds; i++ {
			pong <- <-ping
		}
	}()
	begun := clock()
	for i := 0; i < rounds; i++ {
		ping <- i
		if <-pong != i {
			panic("not what was sent")
		}
	}
	return (clock() - begun) / rounds
}

func stream(capacity int) float64 {
	channel, done := make(chan int, capacity), make(chan int)
	begun := clock()
	go func() {
		for i := 1; i <= messages; i++ {
			channel <- i
		}
		close(channel)
	}()
	go func() {
		sum := 0
		for value := range channel {
			sum += value
		}
		done <- sum
	}()
	if <-done != messages*(messages+1)/2 {
		panic("not what was sent")
	}
	return (clock() - begun) / messages
}

func main() {
	if os.Args[1] == "pingpong" {
		fmt.Println(pingpong())
		return
	}
	capacity, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println(stream(capacity))
}
