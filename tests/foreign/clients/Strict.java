// foreign: name = "java"
// foreign: what = "JDK client: offers HTTP/2, strict keys and types"
// A strict Java client: the JDK's HTTP client (which offers HTTP/2 in its first request), /rest/ with JSON bodies, replies
// with unknown keys or wrong types refused, XML parsed, content types minded.
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;

public final class Strict {
    private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    private static final Pattern PAIR = Pattern.compile("\"(\\w+)\":\\s*(\"(?:[^\"\\\\]|\\\\.)*\"|-?\\d+)\\s*[,}]");
    private static String base;

    public static void main(String[] args) throws Exception {
        base = args[0];
        String login = args[1], password = args[2], phone = args[4];
        String who = "\"login\": \"" + login + "\", \"psw\": \"" + password + "\"";
        String mes = "\\u041f\\u0440\\u0438\\u0432\\u0435\\u0442 from Java";

        HttpResponse<byte[]> answer = post("/rest/send/", "{" + who + ", \"phones\": \"" + phone + "\", \"mes\": \"" + mes
            + "\", \"cost\": 3}");
        Map<String, String> sent = read(answer);
        say("send, /rest/", types(sent).equals("{balance=string, cnt=number, cost=string, id=number}"), text(answer));
        say("send, content type", type(answer).startsWith("application/json"), type(answer));

        answer = post("/rest/send/", "{" + who + ", \"phones\": \"" + phone + "\", \"mes\": \"" + mes + "\", \"cost\": 1}");
        say("price, /rest/", types(read(answer)).equals("{cnt=number, cost=string}"), text(answer));

        answer = get("/sys/balance.php?login=" + login + "&psw=" + password + "&fmt=3&cur=1&charset=utf-8");
        say("balance", types(read(answer)).equals("{balance=string, currency=string}"), text(answer));

        answer = post("/rest/send/", "{" + who + ", \"phones\": \"" + phone + "\"}");
        say("error, /rest/", types(read(answer)).equals("{error=string, error_code=number}"), text(answer));

        answer = post("/rest/status/", "{" + who + ", \"phone\": \"" + phone + "\", \"id\": " + sent.get("id") + "}");
        String found = types(read(answer)).replace("err=number, ", "");
        say("status, /rest/", found.equals("{last_date=string, last_timestamp=number, status=number}"), text(answer));

        answer = get("/sys/send.php?login=" + login + "&psw=" + password + "&phones=" + phone + "&mes=xml&cost=2&fmt=2");
        String root = DocumentBuilderFactory.newInstance().newDocumentBuilder()
            .parse(new ByteArrayInputStream(answer.body())).getDocumentElement().getTagName();
        say("send, XML", root.equals("result") && type(answer).contains("xml"), type(answer) + " <" + root + ">");
    }

    private static HttpResponse<byte[]> post(String path, String json) throws Exception {
        return fetch(HttpRequest.newBuilder(URI.create(base + path)).header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(json)));
    }

    private static HttpResponse<byte[]> get(String path) throws Exception {
        return fetch(HttpRequest.newBuilder(URI.create(base + path)));
    }

    private static HttpResponse<byte[]> fetch(HttpRequest.Builder request) throws Exception {
        HttpResponse<byte[]> answer = CLIENT.send(request.timeout(Duration.ofSeconds(10)).build(), BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException("HTTP " + answer.statusCode());
        }
        return answer;
    }

    private static String type(HttpResponse<?> answer) {
        return answer.headers().firstValue("Content-Type").orElse("");
    }

    private static String text(HttpResponse<byte[]> answer) {
        return new String(answer.body(), StandardCharsets.UTF_8);
    }

    /** A flat object; anything that is not one leaves pairs out, and the comparison of types tells. */
    private static Map<String, String> read(HttpResponse<byte[]> answer) {
        Map<String, String> pairs = new TreeMap<>();
        Matcher matcher = PAIR.matcher(text(answer));
        while (matcher.find()) {
            pairs.put(matcher.group(1), matcher.group(2));
        }
        return pairs;
    }

    private static String types(Map<String, String> pairs) {
        Map<String, String> types = new TreeMap<>();
        pairs.forEach((key, value) -> types.put(key, value.startsWith("\"") ? "string" : "number"));
        return types.toString();
    }

    private static void say(String operation, boolean ok, String detail) {
        System.out.println(operation + "\t" + (ok ? "ok" : "differs") + "\t" + detail.replace("\n", "\\n"));
    }
}
