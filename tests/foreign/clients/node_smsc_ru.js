// foreign: name = "smsc-ru"
// foreign: what = "npm package, nothing escaped, fmt=0"
// foreign: npm = ["smsc-ru@0.0.4"]
// The npm package smsc-ru: fixed https host, nothing escaped, a plus before the number, fmt=0.
'use strict'

const Module = require('module')

const [url, login, password, , phone] = process.argv.slice(2)
const say = (operation, ok, detail) => console.log(`${operation}\t${ok ? 'ok' : 'differs'}\t${detail}`)

// The host is written into the package: requests to it are led to ours, and the answer is kept for a look.
let answer = ''
const load = Module._load
Module._load = function (name, ...rest) {
  const loaded = load.call(this, name, ...rest)
  if (name !== 'request') return loaded
  return (target, callback) =>
    loaded(target.replace(/^https?:\/\/[^/]+/, url), (error, response, body) => {
      answer = error ? String(error) : body
      callback(error, response, body)
    })
}
const smsc = require('smsc-ru')

smsc.sms(login, password, `+${phone}`, 'Blanks are not escaped, nor is a plus + here', () => {
  say('send', /^OK - 1 SMS, ID - \d+$/.test(answer), answer)
  smsc.sms(login, password, '', 'nobody', () => {
    say('error', /^ERROR = 1 \([^()]+\)$/.test(answer), answer)
    smsc.balance(login, password, (body) => {
      say('balance', /^\d+(\.\d+)?$/.test(body), body)
    })
  })
})
