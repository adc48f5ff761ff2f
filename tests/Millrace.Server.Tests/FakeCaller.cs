using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Millrace.Server.Security;

namespace Millrace.Server.Tests;

/// <summary>Somebody who may do nothing in particular.</summary>
internal sealed class FakeCaller : Caller
{
    public override string Name => "somebody";

    public override bool IsAdministrator => false;

    public override bool May(Permission permission, ResourceKind kind, string name) => true;

    public override bool MayAll(Permission permission, ResourceKind kind, string pattern) => true;

    public override bool MayAny(Permission permission, ResourceKind kind) => true;

    /// <summary>Makes everybody such a caller.</summary>
    public static void Use(IEndpointRouteBuilder endpoints) => ((IApplicationBuilder)endpoints).Use((HttpContext context, RequestDelegate next) =>
    {
        context.Features.Set<Caller>(new FakeCaller());
        return next(context);
    });
}
