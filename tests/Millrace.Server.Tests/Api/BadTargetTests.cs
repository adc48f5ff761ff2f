using System.Net;
using System.Text.RegularExpressions;
using Millrace.Server.Api;
using Millrace.Storage;
using Xunit;

namespace Millrace.Server.Tests.Api;

/// <summary>Methods, paths, names and queries that are not of this API.</summary>
public sealed class BadTargetTests
{
    [Fact]
    public async Task EveryPath_WithAMethodThatItDoesNotTake_SaysWhichItTakes()
    {
        await using var host = await ApiHost.StartAsync();
        string[] methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "QUERY"];
        foreach (var routes in ApiEndpoints.Routes.GroupBy(route => route.Path))
        {
            foreach (var method in methods.Except(routes.Select(route => route.Method)))
            {
                using var request = new HttpRequestMessage(HttpMethod.Parse(method), new Uri(host.Address, $"{ApiHost.Root}/{Regex.Replace(routes.Key, "[{}]", "")}"));
                using var answer = await host.Http.SendAsync(request, TestContext.Current.CancellationToken);

                var problem = await Problem.OfAsync(answer);
                Assert.Equal((405, "method-not-allowed"), (problem.Status, problem.Code));
                Assert.Equal(routes.Select(route => route.Method).Order(StringComparer.Ordinal), answer.Content.Headers.Allow.Except(["HEAD"]).Order(StringComparer.Ordinal));
            }
        }
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/api")]
    [InlineData("/api/v2/queues")]
    [InlineData("/api/v1/queue")]
    [InlineData("/api/v1/queues/")]
    [InlineData("/api/v1/queues/q/nothing")]
    [InlineData("/api/v1/queues//stats")]
    [InlineData("/api/v1/queues/q/messages/a/b/c")]
    [InlineData("/api/v1/%71ueues")]
    [InlineData("//api/v1/queues")]
    [InlineData("/api//v1/queues")]
    [InlineData("/api/v1/instances/other/queues")]
    [InlineData("/api/v1/instances/default/queues")]
    [InlineData("/../api/v1/queues")]
    [InlineData("/api/v1/x/../queues")]
    [InlineData("/api/v1/x/%2e%2e/queues")]
    [InlineData("/API/v1/queues\\..\\x")]
    public async Task Path_ThatIsNone_IsNotFound(string path)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = (await connection.ReadAsync())!;

        if (path == "/api/v1/queues/")
        {
            // A slash at the end of a path is of no meaning.
            Assert.Equal(200, answer.Status);
        }
        else
        {
            Assert.Equal((404, "not-found"), (answer.Status, answer.Problem().Code));
        }

        await RequireUsableAsync(connection);
    }

    [Theory]
    [InlineData(".", 201)]
    [InlineData("..", 201)]
    [InlineData("%2e%2E", 201)]
    [InlineData("a%2Fb", 201)]
    [InlineData("%2F", 201)]
    [InlineData("a+b", 201)]
    [InlineData("a%20b", 201)]
    [InlineData("%25", 201)]
    [InlineData("%2525", 201)]
    [InlineData("%C3%A9", 201)]
    [InlineData("{queue}", 201)]
    [InlineData("__proto__", 201)]
    [InlineData("%27%3B--", 201)]
    [InlineData("c:", 201)]
    [InlineData("%E2%80%AE", 201)]
    [InlineData("%F0%9F%98%80", 201)]
    [InlineData("%", 400)]
    [InlineData("%2", 400)]
    [InlineData("%zz", 400)]
    [InlineData("%+1", 400)]
    [InlineData("%u0041", 400)]
    [InlineData("%FF", 400)]
    [InlineData("%C0%80", 400)]
    [InlineData("%ED%A0%80", 400)]
    [InlineData("%E9", 400)]
    [InlineData("%01", 400)]
    [InlineData("%0A", 400)]
    [InlineData("%7F", 400)]
    [InlineData("%C2%80", 400)]
    [InlineData("!", 400)]
    [InlineData("a!b", 400)]
    [InlineData("!dead", 400)]
    [InlineData("a!dead!dead", 400)]
    [InlineData("a%21x", 400)]
    public async Task NameOfAQueue_InAPath_IsTakenAsItIsOrRefused(string name, int status)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"PUT {ApiHost.Root}/queues/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        var answer = (await connection.ReadAsync())!;

        Assert.Equal(status, answer.Status);
        var queues = await host.Instance.Admin.ListQueuesAsync("", null, 10, TestContext.Current.CancellationToken);
        Assert.Equal(status == 201 ? [Uri.UnescapeDataString(name)] : [], queues);
        if (status != 201)
        {
            Assert.True(answer.Problem().Code is "invalid-name" or "invalid-request");
        }

        await RequireUsableAsync(connection);
    }

    [Fact]
    public async Task Name_OfTheLongestLengthAndOneMore_IsTakenAndRefused()
    {
        await using var host = await ApiHost.StartAsync();
        foreach (var path in ApiEndpoints.Routes.Where(route => route.Path.Contains("{queue}", StringComparison.Ordinal)).Select(route => route.Path).Distinct())
        {
            var method = HttpMethod.Parse(ApiEndpoints.Routes.First(route => route.Path == path).Method);
            var tooLong = Regex.Replace(path.Replace("{queue}", new string('q', 201), StringComparison.Ordinal), "[{}]", "");
            await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", method, "/" + tooLong);
            await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", method, "/" + tooLong.Replace("qqq", "%E2%82%AC", StringComparison.Ordinal));
        }

        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", HttpMethod.Post, $"/channels/{new string('t', 201)}/messages");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", HttpMethod.Post, $"/topics/{new string('t', 201)}/messages");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", HttpMethod.Get, $"/locks/{new string('l', 201)}");
        await host.RefusedAsync(HttpStatusCode.BadRequest, "invalid-name", HttpMethod.Put, $"/state/{new string('k', IStateStore.MaxKeyBytes + 1)}");
        Assert.True((bool)(await host.JsonAsync(HttpMethod.Put, $"/queues/{new string('q', 200)}"))["created"]!);
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("a!dead", 404, "queue-not-found", "GET", "/queues/a!dead/settings")]
    [InlineData("a!dead", 400, "invalid-name", "POST", "/queues/a!dead/messages")]
    [InlineData("no queue", 404, "queue-not-found", "GET", "/queues/none/stats")]
    [InlineData("no queue", 404, "queue-not-found", "DELETE", "/queues/none")]
    [InlineData("no queue", 404, "queue-not-found", "POST", "/queues/none/purge")]
    [InlineData("no receiver", 404, "receiver-not-found", "DELETE", "/receivers/00000000000000000000000000000000")]
    [InlineData("no receiver", 404, "receiver-not-found", "POST", "/receivers/%00none/renew")]
    [InlineData("no document", 404, "state-not-found", "GET", "/state/none")]
    [InlineData("no lock", 404, "lock-not-held", "GET", "/locks/none")]
    [InlineData("no message", 404, "message-not-found", "GET", "/queues/q/messages/none")]
    [InlineData("no binding", 404, "not-found", "DELETE", "/queues/q/bindings/none")]
    public async Task Request_ForWhatIsNotThere_SaysWhatIsNot(string why, int status, string code, string method, string path)
    {
        await using var host = await ApiHost.StartAsync();
        using var created = await host.SendAsync(HttpMethod.Put, "/queues/q");

        using var answer = await host.SendAsync(HttpMethod.Parse(method), path);

        if (path.Contains("%00", StringComparison.Ordinal))
        {
            // The server refuses this before there is a request: bare.
            Assert.Equal((HttpStatusCode.BadRequest, 0L), (answer.StatusCode, answer.Content.Headers.ContentLength));
            return;
        }

        var problem = await Problem.OfAsync(answer);
        Assert.True((problem.Status, problem.Code) == (status, code), $"{why}: {problem}");
    }

    [Theory]
    [InlineData("GET http://x/api/v1/queues", 200)]
    [InlineData("GET http://x/api/v1/queues?limit=1", 200)]
    [InlineData("GET http://x", 404)]
    [InlineData("GET http://x?limit=1", 404)]
    [InlineData("GET http://user:pw@x/api/v1/queues", 200)]
    [InlineData("GET https://elsewhere/api/v1/queues", 0)]
    [InlineData("OPTIONS *", 404)]
    [InlineData("GET *", 0)]
    [InlineData("GET x", 0)]
    [InlineData("GET queues", 0)]
    [InlineData("GET ftp:///", 0)]
    [InlineData("CONNECT x:80", 0)]
    [InlineData("GET /api/v1/queues#x", 404)]
    [InlineData("DELETE /api/v1/queues/q#x", 404)]
    public async Task Target_OfAnotherForm_IsServedOrRefused(string request, int status)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"{request} HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = await connection.ReadAsync();

        Assert.NotNull(answer);
        Problem.RequireNoSecret(answer.Text);
        if (status != 0)
        {
            Assert.Equal(status, answer.Status);
        }
        else
        {
            Assert.InRange(answer.Status, 400, 499);
        }
    }

    [Theory]
    [InlineData("/queues?limit=1&limit=2", "stands 2 times")]
    [InlineData("/queues?limit=1&LIMIT=2", "has no parameter 'LIMIT'")]
    [InlineData("/queues?Limit=1", "has no parameter 'Limit'")]
    [InlineData("/queues?limt=1", "Did you mean 'limit'?")]
    [InlineData("/queues?=1", "has no parameter ''")]
    [InlineData("/queues?x[]=1", "has no parameter 'x[]'")]
    [InlineData("/queues?limit=0", "from 1 to 1000")]
    [InlineData("/queues?limit=-1", "from 1 to 1000")]
    [InlineData("/queues?limit=1001", "from 1 to 1000")]
    [InlineData("/queues?limit=", "from 1 to 1000")]
    [InlineData("/queues?limit", "from 1 to 1000")]
    [InlineData("/queues?limit=1e2", "from 1 to 1000")]
    [InlineData("/queues?limit=1.5", "from 1 to 1000")]
    [InlineData("/queues?limit=+1", "from 1 to 1000")]
    [InlineData("/queues?limit=99999999999999999999", "from 1 to 1000")]
    [InlineData("/queues?limit=NaN", "from 1 to 1000")]
    [InlineData("/queues?limit=%D9%A1", "from 1 to 1000")]
    [InlineData("/queues?prefix=%FF", "not valid UTF-8")]
    [InlineData("/queues?prefix=%C0%80", "not valid UTF-8")]
    [InlineData("/queues?prefix=%ED%A0%80", "not valid UTF-8")]
    [InlineData("/queues?prefix=%", "two hexadecimal digits")]
    [InlineData("/queues?prefix=%zz", "two hexadecimal digits")]
    [InlineData("/queues/q/messages?state=dead", "ready or scheduled or leased")]
    [InlineData("/queues/q/messages?state=READY", "ready or scheduled or leased")]
    [InlineData("/queues/q/messages?continuation=x", "no continuation")]
    [InlineData("/channels/t/messages?after=1", "two decimal numbers")]
    [InlineData("/channels/t/messages?after=1-2-3", "two decimal numbers")]
    [InlineData("/channels/t/messages?after=99999999999999999999-1", "two decimal numbers")]
    [InlineData("/channels/t/events?format=xml", "text or json")]
    [InlineData("/channels/t/events?whenFull=wait", "drop-oldest or drop-newest or disconnect")]
    [InlineData("/changes?revision=-1", "from 0 to 9223372036854775807")]
    [InlineData("/changes?waitMs=9223372036854775808", "from 0 to 9223372036854775807")]
    [InlineData("/openapi.json?x=1", "there are none")]
    public async Task Query_ThatIsNotOfTheRequest_IsRefused(string path, string reason)
    {
        await using var host = await ApiHost.StartAsync();
        using var created = await host.SendAsync(HttpMethod.Put, "/queues/q");
        await using var connection = await RawConnection.OpenAsync(host.Address);

        await connection.SendAsync($"GET {ApiHost.Root}{path} HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = (await connection.ReadAsync())!;

        Assert.Equal((400, "invalid-request"), (answer.Status, answer.Problem().Code));
        Assert.Contains(reason, answer.Problem().Detail, StringComparison.Ordinal);
        await RequireUsableAsync(connection);
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("GET", "/changes?revision=9223372036854775807&waitMs=1", 204)]
    [InlineData("GET", "/changes?revision=9223372036854775806", 204)]
    [InlineData("GET", "/changes?waitMs=9223372036854775807", 200)]
    [InlineData("GET", "/locks/l/wait?waitMs=9223372036854775807", 204)]
    [InlineData("GET", "/channels/t/messages?after=9223372036854775807-9223372036854775807&limit=2147483647", 200)]
    [InlineData("POST", "/queues/q/receive?leaseMs=4233600000", 204)]
    public async Task Request_AtTheBoundsOfItsNumbers_IsAnswered(string method, string path, int status)
    {
        await using var host = await ApiHost.StartAsync();
        using var queue = await host.SendAsync(HttpMethod.Put, "/queues/q");
        using var document = await host.SendAsync(HttpMethod.Put, "/state/k", "1");

        using var answer = await host.SendAsync(HttpMethod.Parse(method), path);

        Assert.Equal(status, (int)answer.StatusCode);
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("Millrace-Priority: 10", "'Millrace-Priority' must be a whole number from 0 to 9")]
    [InlineData("Millrace-Priority: -1", "'Millrace-Priority' must be a whole number from 0 to 9")]
    [InlineData("Millrace-Priority: 1.0", "'Millrace-Priority' must be a whole number from 0 to 9")]
    [InlineData("Millrace-Priority:", "'Millrace-Priority' must be a whole number from 0 to 9")]
    [InlineData("Millrace-Priority: 1\r\nMillrace-Priority: 2", "stands 2 times")]
    [InlineData("millrace-delay-ms: 315360000001", "from 0 to 315360000000")]
    [InlineData("Millrace-Ttl-Ms: 0", "from 1 to 315360000000")]
    [InlineData("Millrace-Durability: full", "must be default or none")]
    [InlineData("Millrace-Colour: red", "no header field 'Millrace-Colour'")]
    [InlineData("Millrace-Header-: x", "no header field 'Millrace-Header-'")]
    [InlineData("Millrace-: x", "no header field 'Millrace-'")]
    [InlineData("Millrace-Id: %FF", "not valid UTF-8")]
    [InlineData("Millrace-Id: %", "two hexadecimal digits")]
    [InlineData("Millrace-Header-N: %ED%A0%80", "not valid UTF-8")]
    [InlineData("Millrace-Header-%zz: x", "two hexadecimal digits")]
    [InlineData("Millrace-Key: %00", "its key must have")]
    [InlineData("Millrace-Key: %0d%0aX: y", "its key must have")]
    public async Task HeaderField_OfAMessage_ThatIsWrong_IsRefused(string header, string reason)
    {
        await using var host = await ApiHost.StartAsync();
        string[] paths = ["/queues/q/messages", "/topics/t/messages", "/channels/t/messages"];
        foreach (var path in paths)
        {
            await using var connection = await RawConnection.OpenAsync(host.Address);
            await connection.SendAsync($"POST {ApiHost.Root}{path} HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: 1\r\n\r\nx");
            var answer = (await connection.ReadAsync())!;

            Assert.Equal(400, answer.Status);
            Assert.Contains(reason, answer.Problem().Detail, StringComparison.Ordinal);
            await RequireUsableAsync(connection);
        }

        Assert.Empty(await host.Instance.Admin.ListQueuesAsync("", null, 10, TestContext.Current.CancellationToken));
        host.Log.RequireNoFault();
    }

    [Theory]
    [InlineData("If-Match: *")]
    [InlineData("If-Match: 1")]
    [InlineData("If-Match: \"x\"")]
    [InlineData("If-Match: \"-1\"")]
    [InlineData("If-Match: \"99999999999999999999\"")]
    [InlineData("If-Match: \"1\", \"2\"")]
    [InlineData("If-Match: W/\"1\"")]
    [InlineData("If-None-Match: \"1\"")]
    [InlineData("If-Match: \"1\"\r\nIf-None-Match: *")]
    public async Task Condition_OfAWrite_ThatIsNone_IsRefused(string header)
    {
        await using var host = await ApiHost.StartAsync();
        await using var connection = await RawConnection.OpenAsync(host.Address);
        foreach (var method in (string[])["PUT", "DELETE"])
        {
            await connection.SendAsync($"{method} {ApiHost.Root}/state/k HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: 1\r\n\r\n1");
            Assert.Equal("invalid-request", (await connection.ReadAsync())!.Problem().Code);
        }

        await RequireUsableAsync(connection);
    }

    private static async Task RequireUsableAsync(RawConnection connection)
    {
        await connection.SendAsync($"GET {ApiHost.Root} HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Equal(200, (await connection.ReadAsync())?.Status);
    }
}
