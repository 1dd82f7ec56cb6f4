# What infra/agglo/programs/commune.py declares, for all communes at once. `communes` holds that program's inputs by slug.

terraform {
  required_providers {
    openstack = { source = "terraform-provider-openstack/openstack" }
  }
}

provider "openstack" {} # the operator, by environment

variable "communes" {
  type = any
}

data "openstack_identity_role_v3" "role" {
  for_each = toset(["member", "manager", "reader"])
  name     = each.key
}

resource "openstack_identity_project_v3" "domain" {
  for_each    = var.communes
  name        = each.value.slug
  is_domain   = true
  description = each.value.name
}

resource "openstack_identity_project_v3" "project" {
  for_each    = var.communes
  name        = each.value.slug
  domain_id   = openstack_identity_project_v3.domain[each.key].id
  description = each.value.name
  tags        = each.value.tags
}

resource "openstack_compute_quotaset_v2" "compute" {
  for_each      = var.communes
  project_id    = openstack_identity_project_v3.project[each.key].id
  instances     = each.value.quota.compute.instances
  cores         = each.value.quota.compute.cores
  ram           = each.value.quota.compute.ram_mib
  server_groups = each.value.quota.compute.server_groups
}

resource "openstack_networking_quota_v2" "network" {
  for_each            = var.communes
  project_id          = openstack_identity_project_v3.project[each.key].id
  network             = each.value.quota.network.networks
  subnet              = each.value.quota.network.subnets
  router              = each.value.quota.network.routers
  port                = each.value.quota.network.ports
  floatingip          = each.value.quota.network.floating_ips
  security_group      = each.value.quota.network.security_groups
  security_group_rule = each.value.quota.network.security_group_rules
}

resource "openstack_blockstorage_quotaset_v3" "volume" {
  for_each         = var.communes
  project_id       = openstack_identity_project_v3.project[each.key].id
  volumes          = each.value.quota.volume.volumes
  gigabytes        = each.value.quota.volume.gigabytes
  snapshots        = each.value.quota.volume.snapshots
  backups          = each.value.quota.volume.backups
  backup_gigabytes = each.value.quota.volume.backup_gigabytes
}

resource "openstack_dns_quota_v2" "dns" {
  for_each          = var.communes
  project_id        = openstack_identity_project_v3.project[each.key].id
  zones             = each.value.quota.dns.zones
  zone_recordsets   = each.value.quota.dns.zone_recordsets
  recordset_records = each.value.quota.dns.recordset_records
}

resource "openstack_lb_quota_v2" "load_balancer" {
  for_each       = { for slug, commune in var.communes : slug => commune if can(commune.quota.load_balancer) }
  project_id     = openstack_identity_project_v3.project[each.key].id
  loadbalancer   = each.value.quota.load_balancer.load_balancers
  listener       = each.value.quota.load_balancer.listeners
  pool           = each.value.quota.load_balancer.pools
  member         = each.value.quota.load_balancer.members
  health_monitor = each.value.quota.load_balancer.health_monitors
}

resource "openstack_objectstorage_account_v1" "object_storage" {
  for_each   = { for slug, commune in var.communes : slug => commune if can(commune.quota.object_storage) }
  project_id = openstack_identity_project_v3.project[each.key].id
  metadata   = { "Quota-Bytes" = tostring(each.value.quota.object_storage.gigabytes * pow(2, 30)) }
}

resource "openstack_networking_rbac_policy_v2" "transit" {
  for_each      = var.communes
  action        = "access_as_external"
  object_type   = "network"
  object_id     = each.value.transit_network
  target_tenant = openstack_identity_project_v3.project[each.key].id
}

resource "openstack_networking_network_v2" "network" {
  for_each  = var.communes
  name      = each.value.slug
  tenant_id = openstack_identity_project_v3.project[each.key].id
  depends_on = [
    openstack_networking_rbac_policy_v2.transit,
    openstack_compute_quotaset_v2.compute,
    openstack_networking_quota_v2.network,
    openstack_blockstorage_quotaset_v3.volume,
    openstack_dns_quota_v2.dns,
    openstack_lb_quota_v2.load_balancer,
    openstack_objectstorage_account_v1.object_storage,
  ]
}

resource "openstack_networking_subnet_v2" "subnet" {
  for_each        = var.communes
  name            = each.value.slug
  network_id      = openstack_networking_network_v2.network[each.key].id
  cidr            = each.value.cidr
  ip_version      = 4
  dns_nameservers = [each.value.dns]
  tenant_id       = openstack_identity_project_v3.project[each.key].id
}

resource "openstack_networking_router_v2" "router" {
  for_each            = var.communes
  name                = each.value.slug
  external_network_id = each.value.transit_network
  tenant_id           = openstack_identity_project_v3.project[each.key].id
  depends_on = [
    openstack_networking_rbac_policy_v2.transit,
    openstack_compute_quotaset_v2.compute,
    openstack_networking_quota_v2.network,
    openstack_blockstorage_quotaset_v3.volume,
    openstack_dns_quota_v2.dns,
    openstack_lb_quota_v2.load_balancer,
    openstack_objectstorage_account_v1.object_storage,
  ]
}

resource "openstack_networking_router_interface_v2" "router" {
  for_each  = var.communes
  router_id = openstack_networking_router_v2.router[each.key].id
  subnet_id = openstack_networking_subnet_v2.subnet[each.key].id
}

locals {
  openings = merge([for slug, commune in var.communes : {
    for rule in commune.security_groups["${slug}-guest"].openings : "${slug} ${rule.protocol} ${rule.port} ${rule.prefix}" => merge(rule, { commune = slug })
  }]...)
  ways_out = merge([for slug, commune in var.communes : {
    for way in commune.egress["${slug}-guest"] : "${slug} ${try(way.protocol, "any")} ${try(way.port, "any")} ${way.prefix}" => {
      commune = slug, protocol = try(way.protocol, null), port = try(way.port, null), prefix = way.prefix
    }
  }]...)
}

resource "openstack_networking_secgroup_v2" "guest" {
  for_each             = var.communes
  name                 = "${each.value.slug}-guest"
  description          = each.value.security_groups["${each.key}-guest"].description
  tenant_id            = openstack_identity_project_v3.project[each.key].id
  delete_default_rules = true
}

resource "openstack_networking_secgroup_rule_v2" "opening" {
  for_each          = local.openings
  security_group_id = openstack_networking_secgroup_v2.guest[each.value.commune].id
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = each.value.protocol
  port_range_min    = each.value.port
  port_range_max    = each.value.port
  remote_ip_prefix  = each.value.prefix
  tenant_id         = openstack_identity_project_v3.project[each.value.commune].id
}

resource "openstack_networking_secgroup_rule_v2" "way_out" {
  for_each          = local.ways_out
  security_group_id = openstack_networking_secgroup_v2.guest[each.value.commune].id
  direction         = "egress"
  ethertype         = "IPv4"
  protocol          = each.value.protocol
  port_range_min    = each.value.port
  port_range_max    = each.value.port
  remote_ip_prefix  = each.value.prefix
  tenant_id         = openstack_identity_project_v3.project[each.value.commune].id
}

resource "openstack_identity_user_v3" "user" {
  for_each           = var.communes
  name               = "agglo-${each.value.code}"
  domain_id          = each.value.user_domain
  default_project_id = openstack_identity_project_v3.project[each.key].id
}

resource "openstack_identity_role_assignment_v3" "user" {
  for_each   = var.communes
  user_id    = openstack_identity_user_v3.user[each.key].id
  project_id = openstack_identity_project_v3.project[each.key].id
  role_id    = data.openstack_identity_role_v3.role[one(each.value.roles)].id
}

resource "openstack_identity_group_v3" "managers" {
  for_each  = var.communes
  name      = "${each.value.slug}-managers"
  domain_id = openstack_identity_project_v3.domain[each.key].id
}

resource "openstack_identity_group_v3" "agents" {
  for_each  = var.communes
  name      = "${each.value.slug}-agents"
  domain_id = openstack_identity_project_v3.domain[each.key].id
}

resource "openstack_identity_role_assignment_v3" "managers" {
  for_each  = var.communes
  group_id  = openstack_identity_group_v3.managers[each.key].id
  domain_id = openstack_identity_project_v3.domain[each.key].id
  role_id   = data.openstack_identity_role_v3.role["manager"].id
}

resource "openstack_identity_role_assignment_v3" "agents" {
  for_each   = var.communes
  group_id   = openstack_identity_group_v3.agents[each.key].id
  project_id = openstack_identity_project_v3.project[each.key].id
  role_id    = data.openstack_identity_role_v3.role["reader"].id
}

resource "openstack_dns_zone_v2" "zone" {
  for_each = var.communes
  name     = each.value.zone
  email    = "hostmaster@${trimsuffix(each.value.zone, ".")}"
  ttl      = 300
}

resource "openstack_dns_zone_share_v2" "zone" {
  for_each          = var.communes
  zone_id           = openstack_dns_zone_v2.zone[each.key].id
  target_project_id = openstack_identity_project_v3.project[each.key].id
}

output "domains" {
  value = [for domain in openstack_identity_project_v3.domain : domain.id]
}
