// Sends a text, waits for its status and prints the balance. Only the standard library.
//
//	go run send.go [NUMBER]
//
// HELIOGRAPH_CLIENT_URL, _LOGIN and _PASSWORD say where and as whom; without them it is the demo, ./dev serve --demo.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// refusal is what every answer may be instead; the HTTP status is 200 with it, too.
type refusal struct {
	Code int    `json:"error_code"`
	Text string `json:"error"`
}

type sent struct {
	refusal
	ID int `json:"id"`
}

type status struct {
	refusal
	Status int    `json:"status"`
	Name   string `json:"status_name"`
}

type balance struct {
	refusal
	Balance  string `json:"balance"`
	Currency string `json:"currency"`
}

func (r refusal) failure() error {
	if r.Code != 0 {
		return fmt.Errorf("error %d: %s", r.Code, r.Text)
	}
	return nil
}

var client = http.Client{Timeout: 30 * time.Second}

func setting(name, missing string) string {
	if value := os.Getenv("HELIOGRAPH_CLIENT_" + name); value != "" {
		return value
	}
	return missing
}

// ask makes one request: a POST form, so that the password stands in no log.
func ask(page string, params url.Values, answer interface{ failure() error }) error {
	params.Set("login", setting("LOGIN", "demo"))
	params.Set("psw", setting("PASSWORD", "demo"))
	params.Set("charset", "utf-8")
	params.Set("fmt", "3")
	base := strings.TrimRight(setting("URL", "http://127.0.0.1:8080"), "/")
	response, err := client.PostForm(base+"/sys/"+page+".php", params)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return err
	}
	return answer.failure()
}

func run(phone string) error {
	var s sent
	if err := ask("send", url.Values{"phones": {phone}, "mes": {"Ваш заказ собран, ждём вас до 21:00"}}, &s); err != nil {
		return err
	}
	fmt.Printf("sent: id %d\n", s.ID)
	var now status
	for _, pause := range []time.Duration{1, 3, 6, 15, 30} { // one message's status may be asked for five times a minute
		time.Sleep(pause * time.Second)
		now = status{}
		params := url.Values{"phone": {phone}, "id": {strconv.Itoa(s.ID)}, "all": {"1"}}
		if err := ask("status", params, &now); err != nil {
			return err
		}
		if now.Status > 0 {
			break
		}
	}
	fmt.Printf("status: %d %s\n", now.Status, now.Name)
	var b balance
	if err := ask("balance", url.Values{"cur": {"1"}}, &b); err != nil {
		return err
	}
	fmt.Printf("balance: %s %s\n", b.Balance, b.Currency)
	return nil
}

func main() {
	phone := "79161234567"
	if len(os.Args) > 1 {
		phone = os.Args[1]
	}
	if err := run(phone); err != nil {
		fmt.Fprintln(os.Stderr, "it did not work:", err)
		os.Exit(1)
	}
}
